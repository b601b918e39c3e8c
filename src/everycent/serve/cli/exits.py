"""Exit codes that scripts can rely on."""

OK = 0
#: The work was done and says no: verification failed, a golden case differs, breaks with --fail-on-breaks.
FAILED = 1
#: Nothing was done, for what was given cannot be used: a model, a file, an option.
REFUSED = 2
#: Nothing was done, for a resource was missing: the database, the disk, memory. Try again later.
UNAVAILABLE = 75
