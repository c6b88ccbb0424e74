"""``pipehooks migrate``: the import lines of DAG files, from the official providers to this one."""
