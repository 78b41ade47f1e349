"""Reports: one self-contained HTML file each, and the same data as JSON."""
