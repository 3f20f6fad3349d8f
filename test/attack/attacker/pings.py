"""Sends native pings with given IPv6 sources: pings.py DESTINATION PER_SECOND SECONDS SOURCE ...; each source is 12 octets in hex, and the last four
octets are random."""
import os, socket, struct, sys, time

destination, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
heads = [bytes.fromhex(head) for head in sys.argv[4:]]
to = socket.inet_pton(socket.AF_INET6, destination)
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(source, sequence):
    body = struct.pack("!BBHHH", 128, 0, 0, 0x4141, sequence & 0xFFFF) + bytes(8)
    pseudo = source + to + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + source + to + body


print("ready", flush=True)
begun = time.monotonic()
sent = 0
while time.monotonic() - begun < seconds:
    while sent < (time.monotonic() - begun) * rate:
        raw.sendto(ping(heads[sent % len(heads)] + os.urandom(4), sent), (destination, 0))
        sent += 1
    time.sleep(0.001)
print("done", sent, flush=True)
