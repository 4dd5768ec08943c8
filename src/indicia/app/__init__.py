"""The composition root: from settings to a running process. The one room that knows all the others."""
