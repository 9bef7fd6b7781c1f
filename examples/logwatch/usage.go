package main

const usage = `logwatch turns the lines of a log into signals of an ephemera window, shows which of them match, how many there are per
second and where they come in bursts, and keeps them, so that the next run finds them again.

usage: logwatch [flags] FILE|-

FILE is a log, "-" is standard input. Without --once and --follow it is read to its end, and matches are shown.

  --once             read at full speed and print only the report; the log's own time is the clock: its newest line is
                     now, and the window keeps the whole file
  --follow           go on with lines that are appended, also after the file was rotated or truncated, until an interrupt
  --json             print only the report, as JSON
  --format NAME      openssh, apache or regexp (default: openssh or apache, whichever knows a line first)
  --pattern RE       the lines of --format regexp, in Go's syntax: group name is the signal's name, and as you like,
                     group key is its key and group time its time (without it: the time of reading)
  --time-layout L    how group time is written, in the layouts of Go's package time (default: those below)
  --year Y           year of the first time that has none; a log that goes from December to January goes on with the
                     next year (default: the latest for which that time is not after the file's modification, a day
                     allowed for time zones)
  --signals URL      where signals are kept (default sqlite:./data/logwatch.db); file:./folder and mem:// work too
  --sense GLOB       what is a match: * is any text, ? one character, commas separate alternatives (default: everything)
  --burst N/SPAN     a name is in a burst with N signals or more within SPAN (default 5/10s)
  --capacity N       without --once: the window keeps the last N signals, restored ones among them (default 100000)
  --version          print the version
  --help             print this text

Names of openssh, by how the message of sshd begins; one inside of "message repeated N times" is one signal. The key is
the client's address or host:
  sshd.failed_password      Failed password for          sshd.closed               Connection closed by
  sshd.failed_other         Failed                       sshd.reset                Connection reset by
  sshd.accepted             Accepted                     sshd.too_many_failures    Disconnecting: Too many authentication failures
  sshd.invalid_user         Invalid user                 sshd.no_identification    Did not receive identification string from
  sshd.invalid_user_request input_userauth_request: ...  sshd.reverse_mapping      reverse mapping checking getaddrinfo for
  sshd.auth_failure         pam_unix(sshd:auth): authentication failure
  sshd.max_retries          PAM service(sshd) ignoring max retries
  sshd.more_auth_failures   PAM                          sshd.session_opened       pam_unix(sshd:session): session opened
  sshd.unknown_user         pam_unix(sshd:auth): check pass; user unknown
  sshd.disconnected         [error: ]Received disconnect from
  sshd.session_closed       pam_unix(sshd:session): session closed
  sshd.error, sshd.fatal    error: and fatal:            sshd.other                everything else that sshd writes
Names of apache: apache.LEVEL for the error log, as in apache.error; apache.status.CODE for the access log, as in
apache.status.404. The key is the client.

Layouts that are tried, in this order; a fraction may follow the seconds, and a time without zone is UTC:
  2006-01-02T15:04:05Z07:00    2006-01-02T15:04:05    2006-01-02 15:04:05Z07:00    2006-01-02 15:04:05 -0700
  2006-01-02 15:04:05    2006/01/02 15:04:05    02/Jan/2006:15:04:05 -0700    Mon Jan _2 15:04:05 2006
  Mon, 02 Jan 2006 15:04:05 -0700    Jan _2 15:04:05    unix (seconds since 1970, 9 to 12 digits)

The report: lines = raised + unmatched, and raised is the sum of byName. All of that, sensed, the rates and the bursts are
of this run. restored are the signals of earlier runs that --signals held and the window shows again, whatever FILE
holds now. Signals have no identity but their number: reading a file a second time raises new signals, which are kept
beside the first ones. One logwatch at a time uses a place of --signals. A line longer than 1 MiB is unmatched.

examples:
  logwatch --once /var/log/auth.log                              what is in the log
  logwatch --once --json --sense 'sshd.failed_*' auth.log        the same for a program
  logwatch --follow --sense 'apache.error,apache.status.5??' --burst 20/1m error.log
  logwatch --once --pattern '^(?P<time>\S+ \S+) (?P<name>[A-Z]+) (?P<key>\S+)' app.log
  logwatch --once /dev/null                                      what earlier runs left

An interrupt (Ctrl-C) or SIGTERM writes what is pending and prints the report; a second one ends at once.

Exit status: 0 done, also after an interrupt, 1 reading, keeping signals or output failed, 2 wrong usage.
`
