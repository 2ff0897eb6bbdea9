"""`gp check`: holds the documents against the Compose files, the code and each other.

`engine` runs the rules of `rules/` on the `Facts` of a workspace; `formats` shows what they find.
"""
