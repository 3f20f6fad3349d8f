"""Runs a command on a terminal of its own, presses keys, and prints all that appears.

The first argument is a JSON list of pairs: a text that is waited for, and the keys that follow it. Ends with the exit status of the command.
"""

import json
import os
import pty
import select
import signal
import sys
import time

SECONDS = 30

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

end = time.monotonic() + SECONDS
unseen = ''
while time.monotonic() < end:
    if not select.select([terminal], [], [], 0.5)[0]:
        continue
    try:
        text = os.read(terminal, 4096).decode(errors='replace')
    except OSError:
        break  # the last process has closed the terminal
    if text == '':
        break
    sys.stdout.write(text)
    sys.stdout.flush()
    unseen += text
    while steps and steps[0][0] in unseen:
        unseen = unseen[unseen.index(steps[0][0]) + len(steps[0][0]) :]
        os.write(terminal, steps.pop(0)[1].encode())
else:
    print('\nthe terminal: too late')
    os.kill(pid, signal.SIGKILL)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
