"""Many images from a folder or a parquet file, classified into parquet parts; stopped anywhere, it goes on."""
