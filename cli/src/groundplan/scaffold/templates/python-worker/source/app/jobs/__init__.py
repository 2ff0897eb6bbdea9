"""One module for each job type.

TYPE.py has `handle`; contracts/jobs/TYPE.schema.json describes its parameters.
"""
