/** Which of a machine's UDP sockets: each role names its own (see `SOCKET` of that role). */
export type SocketId = number;
