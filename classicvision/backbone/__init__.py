"""Image classification networks as feature extractors: read, inspect, verify and run ONNX files."""
