import { expect, test } from 'vitest';
import { parseRequest } from './control-protocol.ts';

test.for([
  ['{"command":"users"}', { command: 'users' }],
  ['{"command":"users","window":"day","limit":3}', { command: 'users', window: 'day', limit: 3 }],
  ['{"command":"peers","limit":200000}', { command: 'peers', limit: 100_000 }],
  ['{"command":"users","window":"week"}', undefined],
  ['{"command":"users","window":["day"]}', undefined],
  ['{"command":"users","window":null}', undefined],
  ['{"command":"users","limit":-1}', undefined],
  ['{"command":"users","limit":"3"}', undefined],
  ['{"command":"users","limit":0.5}', undefined],
] as const)('%s', ([line, request]) => {
  expect(parseRequest(line)).toEqual(request);
});
