import { describe, expect, test } from 'vitest';
import { makeProgram } from '../program.ts';
import { FILES, candidates } from './candidates.ts';
import type { KnownNames } from './candidates.ts';

const KNOWN: KnownNames = {
  daemons: () => ['client', 'relay-2'],
  configurations: () => ['home'],
  peers: () => Promise.resolve(['2001:db8:2::2', '2001:0:cb00:7178:0:f227:39cc:9bfd']),
};
const program = makeProgram(() => {});

/** The words offered for the last word of a line, which begins with `teredo `. */
async function offered(line: string): Promise<string[]> {
  const found = await candidates(program, line.split(' ').slice(1), KNOWN);
  return found.map(({ word }) => word);
}

test('names that another account may have chosen are offered only where they are names', async () => {
  const bad = ['x$(touch y)', '-h', 'a b', 'a\nb', ''];
  const known: KnownNames = {
    daemons: () => [...bad, 'relay'],
    configurations: () => [...bad, 'home'],
    peers: () => Promise.resolve([...bad, '2001:db8::1']),
  };
  const words = async (...line: string[]) => (await candidates(program, line, known)).map(({ word }) => word);
  expect(await words('status', '')).toEqual(['relay']);
  expect(await words('run', '')).toEqual(['home', FILES.word]);
  expect(await words('ping', '')).toEqual(['2001:db8::1']);
});

describe('words offered for completion', () => {
  test('commands, without hidden ones, with their meaning', async () => {
    expect(await offered('teredo rela')).toEqual(['relay']);
    expect(await offered('teredo ')).toEqual(expect.arrayContaining(['client', 'status', 'help']));
    expect(await offered('teredo compl')).toEqual([]);
    expect(await candidates(program, ['statu'], KNOWN)).toEqual([
      { word: 'status', about: 'state of the running daemons' },
    ]);
  });

  test('commands below a command', async () => {
    expect(await offered('teredo address m')).toEqual(['make']);
    expect(await offered('teredo address make --c')).toEqual(['--client', '--cone']);
  });

  test('options that are not given yet', async () => {
    expect(await offered('teredo ping --')).toEqual([
      '--count',
      '--timeout',
      '--json',
      '--until-direct',
      '--help',
    ]);
    expect(await offered('teredo ping --json --count 3 --')).toEqual([
      '--timeout',
      '--until-direct',
      '--help',
    ]);
  });

  test('an option for several values may be given again', async () => {
    expect(await offered('teredo relay --deny 192.0.2.1 --den')).toEqual(['--deny']);
  });

  test('values of options', async () => {
    expect(await offered('teredo client --data-path ')).toEqual(['auto', 'kernel', 'user']);
    expect(await offered('teredo client --data-path=us')).toEqual(['--data-path=user']);
    expect(await offered('teredo client --secondary n')).toEqual(['none']);
    expect(await offered('teredo relay --limit errors.')).toEqual(['errors.per-second=', 'errors.burst=']);
    expect(await offered('teredo relay --limit errors.burst=3 peers.t')).toEqual(['peers.trusted=']);
    expect(await offered('teredo client --server ')).toEqual([]);
    expect(await candidates(program, ['client', '--secret-file', '/e'], KNOWN)).toEqual([FILES]);
  });

  test('names of daemons, one for each argument', async () => {
    expect(await offered('teredo status ')).toEqual(['client', 'relay-2']);
    expect(await offered('teredo peers --json rel')).toEqual(['relay-2']);
    expect(await offered('teredo status client ')).toEqual([]);
  });

  test('names of configurations, and files', async () => {
    expect(await offered('teredo run ')).toEqual(['home', FILES.word]);
    expect(await offered('teredo config check h')).toEqual(['home', FILES.word]);
  });

  test('addresses of peers', async () => {
    expect(await offered('teredo ping 2001:db8')).toEqual(['2001:db8:2::2']);
    expect(await offered('teredo ping --count 3 -- 2001:0')).toEqual(['2001:0:cb00:7178:0:f227:39cc:9bfd']);
  });

  test('nothing behind an unknown option or an unknown command', async () => {
    expect(await offered('teredo nonsense ')).toEqual([]);
    expect(await offered('teredo status --nonsense x')).toEqual([]);
  });
});
