"""Pictures that the project draws itself: what can be shown, whole scenes of it, and what re-posters do to it."""
