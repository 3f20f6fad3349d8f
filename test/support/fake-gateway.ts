import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { WayToGateway } from '../../src/io/port-mapping/gateway-socket.ts';
import { PORT_MAPPING_PORT, SSDP_PORT, parseIpv4 } from '../../src/wire/index.ts';

type AnswerDatagram = (request: Buffer, from: RemoteInfo) => Uint8Array | string | undefined;

/** Status and body. */
export type AnswerAction = (action: string, body: string) => readonly [number, string];

/** A gateway on a loopback network that no other test file uses. */
export class FakeGateway {
  readonly network = `127.${randomInt(1, 255)}.${randomInt(256)}`;
  readonly address = `${this.network}.1`;
  readonly way: WayToGateway = { gateway: parseIpv4(this.address)!, source: parseIpv4(`${this.network}.2`)! };
  /** The same with a short timeout, for tests with a mute gateway. */
  readonly hasty: WayToGateway = { ...this.way, answerMs: 400 };
  /** SOAP actions with their bodies, in order. */
  readonly actions: { readonly name: string; readonly body: string }[] = [];
  readonly paths: string[] = [];
  private readonly sockets: Socket[] = [];
  private readonly servers: Server[] = [];

  /** Answers PCP and NAT-PMP. */
  async answerPorts(answer: AnswerDatagram): Promise<void> {
    await this.answerOn(PORT_MAPPING_PORT, answer);
  }

  /** Answers SSDP. */
  async answerSearch(answer: AnswerDatagram): Promise<void> {
    await this.answerOn(SSDP_PORT, answer);
  }

  /** Serves search, description and actions of an IGD. `location`: the URL in its search answers. */
  async serveIgd(
    answer: AnswerAction,
    given: { description?: string; location?: string } = {},
  ): Promise<void> {
    const server = await this.serve((path, action, body) => {
      if (path === '/description') return [200, given.description ?? DESCRIPTION];
      this.actions.push({ name: action, body });
      return answer(action, body);
    });
    const location = given.location ?? `http://${this.address}:${portOf(server)}/description`;
    await this.answerSearch(() => searchAnswer(location));
  }

  /** An HTTP server on the gateway, or on another host. */
  async serve(
    answer: (path: string, action: string, body: string) => readonly [number, string, string?] | undefined,
    host = this.address,
  ): Promise<Server> {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const path = request.url ?? '';
        this.paths.push(path);
        const action = /#(\w+)"$/.exec(String(request.headers['soapaction']))?.[1] ?? '';
        const answered = answer(path, action, body);
        if (answered === undefined) return; // the request gets no answer
        const [status, text, location] = answered;
        response.writeHead(status, location === undefined ? {} : { location });
        response.end(text);
      });
    });
    server.listen(0, host);
    await once(server, 'listening');
    this.servers.push(server);
    return server;
  }

  /** A socket of another host on the same link. */
  async neighbour(): Promise<Socket> {
    return await this.open(0, `${this.network}.3`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.close();
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  private async answerOn(port: number, answer: AnswerDatagram): Promise<void> {
    const socket = await this.open(port, this.address);
    socket.on('message', (message, from) => {
      const reply = answer(message, from);
      if (reply !== undefined) socket.send(reply, from.port, from.address);
    });
  }

  private async open(port: number, address: string): Promise<Socket> {
    const socket = createSocket('udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    this.sockets.push(socket);
    return socket;
  }
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

export function searchAnswer(location: string): string {
  const st = 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  return `HTTP/1.1 200 OK\r\n${st}\r\nLOCATION: ${location}\r\n\r\n`;
}

export function describeService(controlUrl: string): string {
  const type = 'urn:schemas-upnp-org:service:WANIPConnection:1';
  return `<root><service><serviceType>${type}</serviceType><controlURL>${controlUrl}</controlURL></service></root>`;
}

export function upnpError(code: number): readonly [number, string] {
  return [500, `<s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`];
}

const DESCRIPTION = describeService('/control');
