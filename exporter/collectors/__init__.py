"""One file or folder for each kind of target; this folder is the registry."""
