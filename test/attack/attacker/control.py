"""control.py PATH SECONDS MODE UID: attacks of a local user on a control socket.

quick: connects and closes at once. hold: keeps connections open and asks nothing. ask: asks for all peers and reads nothing. talk: continues to send
after its question. letters: sends its question letter by letter. status: no attack, asks 20 times and prints the time to each answer, in ms.
"""
import json
import os
import socket
import sys
import time

path, seconds, mode, uid = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
os.setgid(uid)
os.setuid(uid)
ALL_PEERS = b'{"command":"peers","limit":100000}\n'
MOST_OPEN = 100


def ask_status():
    begun = time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(path)
        s.sendall(b'{"command":"status"}\n')
        text = b''
        while part := s.recv(65536):
            text += part
    assert json.loads(text)['ok'], text
    return (time.monotonic() - begun) * 1000


def connect_once(held):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    if mode == 'quick':
        s.close()
        return
    s.setblocking(False)
    if mode in ('ask', 'talk'):
        s.send(ALL_PEERS)
    held.append(s)
    if len(held) > MOST_OPEN:
        held.pop(0).close()


def send_on(s):
    try:
        if mode == 'talk':
            s.send(b'x' * 65536)
        elif mode == 'letters':
            s.send(b'{')
    except OSError:
        pass


if mode == 'status':
    times = []
    for _ in range(20):
        try:
            times.append(ask_status())
        except (OSError, ValueError, AssertionError):
            times.append(-1)
        time.sleep(0.1)
    print(json.dumps(times), flush=True)
    sys.exit()

os.nice(10)
end = time.monotonic() + seconds
held = []
connections = failures = 0
print('ready', flush=True)
while time.monotonic() < end:
    try:
        connect_once(held)
        connections += 1
    except OSError:
        failures += 1
        time.sleep(0.0005)
    for s in held[-32:]:
        send_on(s)
print('done', connections, failures, flush=True)
