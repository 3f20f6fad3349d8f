/** Which hosts are accepted as gateways, and asked over HTTP. */
import { describe, expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { mapped, ownStateDirectory } from '../support/port-mapping.ts';
import { PROGRAM, startClient, startServer } from '../support/roles.ts';
import { answerSearches } from '../support/ssdp-neighbour.ts';
import { everyNth } from '../support/extent.ts';

ownStateDirectory();

describe('other hosts answer the search for a gateway', () => {
  /** Records the addresses to which a host opens TCP connections. */
  const WATCH = `
    table inet watch {
      set asked { type ipv4_addr; flags dynamic; }
      chain output { type filter hook output priority 0; policy accept; tcp flags syn update @asked { ip daddr }; }
    }`;
  /** The answers of a neighbour, 10.1.0.7. */
  const OF_OTHERS = [
    `http://${SERVER_ADDRESS}:80/`,
    'http://10.1.0.8/',
    'http://10.1.0.2:5000/',
    'http://127.0.0.1:5000/',
    `http://10.1.0.7@${SERVER_ADDRESS}/`,
    'http://10.1.0.7.example/',
  ];
  const askedByHttp = ({ client }: Site): string[] =>
    (/elements = \{(.*)\}/.exec(client.execute('nft', 'list', 'set', 'inet', 'watch', 'asked'))?.[1] ?? '')
      .split(',')
      .map((address) => address.trim())
      .filter((address) => address !== '');

  test('endlessly, with descriptions at other hosts: the gateway is found, and no other host is asked', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    site.client.nft(WATCH);
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 7);
    await answerSearches(neighbour, { locations: OF_OTHERS, isEndless: true });
    await startServer(net.server, SERVER_ADDRESS);
    // Only through the group: it does not answer a search sent to itself.
    site.nat.nft(`
      table inet deaf {
        chain input {
          type filter hook input priority 0; policy accept;
          ip daddr ${site.network}.1 udp dport { 1900, 5351 } drop
        }
      }`);
    await using _gateway = await Gateway.start(site, { natPmp: false });
    const client = await startClient(site.client, SERVER_ADDRESS);
    expect((await mapped(site)).portMapping).toMatchObject({ protocol: 'upnp' });
    await client.stop();
    expect(askedByHttp(site)).toEqual([`${site.network}.1`]);
  });

  const DESCRIPTIONS = [
    ['at the neighbour that answers is read', '10.1.0.7', ['http://10.1.0.7:5000/'], ['10.1.0.7']],
    ['at other hosts is not read', '10.1.0.7', OF_OTHERS, []],
    ["at the gateway, but in a neighbour's answer, is not read", '10.1.0.7', ['http://10.1.0.1:5000/'], []],
    ['of a host that is not on the link is not read', '192.168.77.7', ['http://192.168.77.7:5000/'], []],
  ] as const;
  test.for(everyNth(2, DESCRIPTIONS))(
    'without a gateway, a description %s',
    async ([, from, locations, asked]) => {
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      site.client.nft(WATCH);
      const neighbour = net.lab.host('neighbour');
      net.join(site, neighbour, 7);
      neighbour.ip('addr', 'add', '192.168.77.7/24', 'dev', 'eth');
      const answering = await answerSearches(neighbour, { from, locations });
      await startServer(net.server, SERVER_ADDRESS);
      const check = site.client.spawn(process.execPath, [PROGRAM, 'netcheck', '--server', SERVER_ADDRESS]);
      expect(await check.exited).toBe(0);
      expect(answering.output).toMatch(/answered/);
      expect(askedByHttp(site)).toEqual(asked);
    },
  );
});
