import { expect, test } from 'vitest';
import { forwardRuleOf, forwardRulesOf } from './forward-rule.ts';

test.for([
  ['[::]:8080=127.0.0.1:80', 'tcp', 8080, '127.0.0.1', 80],
  ['8080=127.0.0.1:80', 'tcp', 8080, '127.0.0.1', 80],
  ['tcp:[::]:22=[::1]:22', 'tcp', 22, '::1', 22],
  ['udp:[::]:53=192.168.1.1:5353', 'udp', 53, '192.168.1.1', 5353],
  ['udp:53=resolver.example:53', 'udp', 53, 'resolver.example', 53],
] as const)('%s', ([text, protocol, port, host, hostPort]) => {
  expect(forwardRuleOf(text)).toEqual({ protocol, port, host, hostPort });
});

test.for([
  ['[::]:8080', /no = in it/],
  ['', /no = in it/],
  ['=127.0.0.1:80', /no port before the =/],
  ['[::]=127.0.0.1:80', /no port before the =/],
  ['http=127.0.0.1:80', /no port before the =/],
  ['127.0.0.1:8080=127.0.0.1:80', /always \[::\]/],
  ['[2001:db8::1]:8080=127.0.0.1:80', /always \[::\]/],
  ['sctp:8080=127.0.0.1:80', /always \[::\]/],
  ['0=127.0.0.1:80', /from 1 to 65535/],
  ['65536=127.0.0.1:80', /from 1 to 65535/],
  ['80=127.0.0.1:65536', /from 1 to 65535/],
  ['80=127.0.0.1:0', /from 1 to 65535/],
  ['80=127.0.0.1', /no service/],
  ['80=:80', /no service/],
  ['80=::1:80', /no service/],
  ['80=[name]:80', /no service/],
  ['80=a b:80', /no service/],
  ['80=127.0.0.1:80=127.0.0.1:81', /no service/],
] as const)('refused: %s', ([text, message]) => {
  expect(() => forwardRuleOf(text)).toThrow(message);
});

test('a port leads to one service; TCP and UDP have ports of their own', () => {
  expect(() => forwardRulesOf(['80=a:80', '[::]:80=b:80'])).toThrow(/tcp port 80 has two services/);
  expect(forwardRulesOf(['53=a:53', 'udp:53=a:53'])).toHaveLength(2);
});
