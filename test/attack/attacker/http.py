"""http.py WHERE SECONDS MODE UID [TOKEN]: attacks of a local user on the HTTP of a daemon. WHERE: path of a control socket, or ADDRESS:PORT.

quick: connects and closes at once. hold: keeps connections open and asks nothing. peers, metrics, status: asks on ever new connections and reads nothing.
slow: reads a list of all peers octet by octet. events: opens streams of events. letters: sends a head letter by letter. head: sends endless headers.
body: sends an endless body. pipeline: sends many requests on each connection. half-open: closes its side, and keeps the other one. honest: no attack, asks 20
times for the status and prints the time to each answer, in ms, or -1. visitor: asks so for the page.
reader: no attack, prints the stream of events.
"""
import json
import os
import socket
import sys
import time

where, seconds, mode, uid = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
token = f'Authorization: Bearer {sys.argv[5]}\r\n' if len(sys.argv) > 5 else ''
os.setgid(uid)
os.setuid(uid)
MOST_OPEN = 100
PATHS = {
    'peers': '/api/v1/peers?limit=100000', 'slow': '/api/v1/peers?limit=100000', 'metrics': '/metrics', 'status': '/api/v1/status',
    'events': '/events', 'pipeline': '/metrics', 'body': '/metrics',
}


def connected(timeout=None):
    is_path = where.startswith('/')
    s = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
    s.settimeout(timeout)
    host, _, port = where.rpartition(':')
    s.connect(where if is_path else (host, int(port)))
    return s


def request(path, headers=''):
    return f'GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}{headers}\r\n'.encode()


def ask_once():
    begun = time.monotonic()
    with connected(5) as s:
        s.sendall(request('/' if mode == 'visitor' else '/api/v1/status', 'Connection: close\r\n'))
        text = b''
        while part := s.recv(65536):
            text += part
    body = text.partition(b'\r\n\r\n')[2]
    assert b'</html>' in body if mode == 'visitor' else json.loads(body)['version'] == 1, text
    return (time.monotonic() - begun) * 1000


def connect_once(held):
    s = connected(1)
    if mode == 'quick':
        s.close()
        return
    s.setblocking(False)
    if mode == 'half-open':
        s.shutdown(socket.SHUT_WR)
    elif mode == 'body':
        s.send(request(PATHS[mode], 'Transfer-Encoding: chunked\r\n'))
    elif mode == 'pipeline':
        s.send(request(PATHS[mode]) * 50)
    elif mode == 'head':
        s.send(request('/livez')[:-2])
    elif mode in PATHS:
        s.send(request(PATHS[mode]))
    held.append(s)
    if len(held) > MOST_OPEN:
        held.pop(0).close()


def go_on(s):
    try:
        if mode == 'letters':
            s.send(b'G')
        elif mode == 'head':
            s.send(b'x: y\r\n')
        elif mode == 'body':
            s.send(b'1000\r\n' + b'x' * 4096 + b'\r\n')
        elif mode == 'slow':
            s.recv(1)
    except OSError:
        pass


if mode in ('honest', 'visitor'):
    times = []
    for _ in range(20):
        try:
            times.append(ask_once())
        except (OSError, ValueError, AssertionError, KeyError):
            times.append(-1)
        time.sleep(0.1)
    print(json.dumps(times), flush=True)
    sys.exit()

if mode == 'reader':
    with connected() as s:
        s.sendall(request('/events'))
        while part := s.recv(65536):
            print(part.decode(), flush=True)
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
        go_on(s)
print('done', connections, failures, flush=True)
