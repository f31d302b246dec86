"""The HTTP interface below /api/v1, for programs and the console: search, coverage, jobs, failures, keys, audit log.

One file a resource: its handlers, and `OPERATIONS`, which names each with its path, its types and the scope it needs.
Routes (api.py) and the OpenAPI document (openapi.py) are both made from these. What passes between them is typed in
models.py. Start at api.py; a new resource is a file with OPERATIONS, listed there.
"""
