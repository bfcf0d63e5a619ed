"""The desk's HTTP API under /desk/api: an edge. `gate` lets in, `shape` gives every answer its form."""
