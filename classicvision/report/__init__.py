"""Pages that people read: one self-contained HTML file, and the same facts as JSON."""
