"""Published figures and the recipes that reproduce them, a YAML file each; `graphssl reproduce NAME` runs one."""
