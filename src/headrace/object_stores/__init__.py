"""The clouds' object stores, as file systems of fsspec: who is asked, as whom, over which connection.

Results and storages are kept there; both build on this.
"""
