"""crowd.py PORT FIRST_UID COUNT HOW: connections over TCP of COUNT local users, which ask nothing unless it is said. hold: one of each. renew: ever new ones, the oldest is closed. ask: the same, and each asks for the page."""
import os
import socket
import sys
import time

port, first, count, how = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def connected_as(uid):
    os.seteuid(uid)  # a socket belongs to the user that makes it
    try:
        s = socket.socket()
    finally:
        os.seteuid(0)
    s.connect(('127.0.0.1', port))
    if how == 'ask':
        s.send(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return s


held = [connected_as(first + i) for i in range(count)]
print('ready', flush=True)
i = 0
while True:
    time.sleep(0.002)
    if how != 'hold':
        held.pop(0).close()
        held.append(connected_as(first + i % count))
        i += 1
