"""`indicia doctor` without a name: how an installation is, part by part."""
