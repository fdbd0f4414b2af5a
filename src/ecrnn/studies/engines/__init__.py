"""Where the trials of a study run: `protocol` says what every engine does, each other file is one.

`local` runs trials one after another in this process, `processes` side by side in several, each of which is a `worker`.
"""
