"""Writes "INTERFACE DIRECTION PROGRAM" for each program at tcx in this network namespace. `bpftool` of Debian 12 does not know tcx. Kernels before 6.6 have none."""
import ctypes
import json
import platform
import socket
import struct
import subprocess

libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_QUERY = 16
DIRECTIONS = {"ingress": 46, "egress": 47}
MOST = 64


def programs(ifindex, attach_type):
    ids = (ctypes.c_uint32 * MOST)()
    # target, attach_type, query_flags, attach_flags, prog_ids, count; the rest is 0
    attributes = struct.pack("=IIIIQI", ifindex, attach_type, 0, 0, ctypes.addressof(ids), MOST).ljust(64, b"\0")
    memory = ctypes.create_string_buffer(attributes, len(attributes))
    if libc.syscall(SYS_BPF, BPF_PROG_QUERY, memory, len(attributes)) < 0:
        return []
    return ids[: struct.unpack_from("=I", memory.raw, 24)[0]]


for index, name in socket.if_nameindex():
    for direction, attach_type in DIRECTIONS.items():
        for program in programs(index, attach_type):
            shown = subprocess.run(["bpftool", "-j", "prog", "show", "id", str(program)], stdout=subprocess.PIPE, check=True)
            print(name, direction, json.loads(shown.stdout)["name"])
