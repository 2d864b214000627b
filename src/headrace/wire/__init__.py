"""The versioned messages that client and server exchange.

One module for each thing that is spoken about. Messages are msgspec structs: what a server answers is
checked by the same types that the client reads. Moments are aware UTC datetimes, but in the
events of a run, of which there are many: there they are seconds since 1970, UTC, as floats.
Lengths of time are seconds.
"""
