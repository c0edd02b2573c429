"""Exit codes of the command, the same for every subcommand; `evoselect --help` lists them.

0    done
1    the job ended without a result, the service failed, or the doctor found something
2    wrong usage of the command
3    no service: none configured, or it does not answer
4    the request was refused (bad input, unknown id, wrong key), by the service or before it was sent
5    the data directory is held by another `evoselect up`
6    embedded mode or workers could not start
130  interrupted

`evoselect worker` ends with the status of a worker that dies again and again (128 + n: of signal n).
"""

FAILED = 1
USAGE = 2
NO_SERVICE = 3
REFUSED = 4
HELD = 5
NOT_STARTED = 6
INTERRUPTED = 130

HELP = "Exit codes: " + "; ".join(
    (
        "0 done",
        "1 job or service failed",
        "2 wrong usage",
        "3 no service",
        "4 request refused",
        "5 data directory in use",
        "6 embedded mode or workers could not start",
        "130 interrupted",
    )
)
