"""What if: edits of facilities, streets, gates and paths, and the answer of a full run on the edited data.

`edits` says what an edit makes of the data · `engine` gives the answer, step by step · `patch` drafts changed streets
anew among their surroundings · `repair` puts labels right · the rest is what changes with a step: links, columns,
straight distances.
"""
