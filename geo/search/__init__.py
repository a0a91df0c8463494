"""The kernels of reach, and the arrays they work on.

`graph` lays out open ways and gates · `labels` says what a label is and searches in strict order · `buckets` searches
near places, `sweeps` whole networks, `lanes` sixteen types at once · `desk` holds the work arrays of a thread and
chooses between them · `seeds` and `starts` lay out facilities and homes · `around` looks from one facility at a time.
"""
