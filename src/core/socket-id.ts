/** The number of one of a machine's UDP sockets. Each role defines its own (`SOCKET`). */
export type SocketId = number;
