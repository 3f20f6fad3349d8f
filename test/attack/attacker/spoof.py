"""Sends UDP datagrams whose IPv4 source is not its own. Order (a JSON file):
{ from, port, to, toPort, payloads: [hex], count, perSecond }; `from` and `port` may be lists, taken in turn."""
import json, socket, struct, sys, time

order = json.load(open(sys.argv[1]))
payloads = [bytes.fromhex(payload) for payload in order["payloads"]]
count, rate = order.get("count", len(payloads)), order.get("perSecond", 1e9)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
sources = order["from"] if isinstance(order["from"], list) else [order["from"]]
ports = order["port"] if isinstance(order["port"], list) else [order["port"]]
to = socket.inet_aton(order["to"])


def packet(payload, source, port):
    # The kernel fills in length, identification and checksum; UDP over IPv4 may go without one.
    udp = struct.pack("!HHHH", port, order["toPort"], 8 + len(payload), 0) + payload
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(source), to) + udp


packets = [
    packet(payloads[i % len(payloads)], sources[i % len(sources)], ports[i % len(ports)])
    for i in range(max(len(payloads), len(sources), len(ports)))
]
begun = time.monotonic()
failed = 0
for sent in range(count):
    while (time.monotonic() - begun) * rate < sent:
        time.sleep(0.001)
    try:
        raw.sendto(packets[sent % len(packets)], (order["to"], 0))
    except OSError:
        failed += 1
print("done " + json.dumps({"sent": count, "failed": failed, "seconds": time.monotonic() - begun, "heard": 0, "answers": []}))
