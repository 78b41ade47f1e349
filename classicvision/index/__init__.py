"""An index of a library on disk: storage, building, maintenance, verification."""
