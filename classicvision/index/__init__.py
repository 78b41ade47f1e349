"""An index of a library on disk: storage, maintenance, verification."""
