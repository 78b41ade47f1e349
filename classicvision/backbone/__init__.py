"""Networks for image classification as extractors of features: ONNX files, what they expect and what they hold."""
