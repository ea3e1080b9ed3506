"""The user's own pictures: `table`, `check`, `chunks`, `builder` and `report`, in the order of the work."""
