"""Pictures that the project draws itself: single concepts, whole scenes, and the edits of reposters."""
