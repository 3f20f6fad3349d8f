/** The page: follows one daemon, and hands its answers to the parts. */
import type { EventStatus, PeersStatus, ReadyStatus, RoleStatus, UsersStatus } from '../control/status.ts';
import { Api, RefusedError } from './api.ts';
import { Charts } from './charts.ts';
import { DaemonSwitch } from './daemon-switch.ts';
import { byId, setText } from './dom.ts';
import { factsOf } from './facts.ts';
import { follow, pause } from './feed.ts';
import { History } from './history.ts';
import { LogList } from './log-list.ts';
import { knownPeers } from './known-peers.ts';
import type { KnownPeers } from './known-peers.ts';
import { pathOf } from './path-model.ts';
import { PathPicture } from './path-picture.ts';
import { PeerTable } from './peer-table.ts';
import { StateView } from './state-view.ts';
import { UsersView } from './users-view.ts';
import { NO_TOKEN, noAnswer, verdictOf } from './verdict.ts';

/** More peers than these are counted, not shown. */
const MOST_PEERS = 10_000;
const PEERS_EVERY_MS = 2_000;
const DAEMONS_EVERY_MS = 5_000;
const USERS_EVERY_MS = 5_000;
const MOST_USERS = 10;

export class Page {
  private readonly state = new StateView();
  private readonly picture = new PathPicture(byId('picture'));
  private readonly charts = new Charts(byId('chart-grid'));
  private readonly peers = new PeerTable(byId('peers-scroll'), byId('peers-sorted'));
  private readonly log = new LogList(byId('log-lines'), byId('log-count'));
  private readonly daemons: DaemonSwitch;
  private readonly users = new UsersView(() => void this.askUsers());
  private history = new History();
  private status: RoleStatus | undefined;
  private known: KnownPeers | undefined;
  private total = 0;
  private end = new AbortController();
  private api: Api | undefined;

  constructor(choose: (daemon: string) => void) {
    this.daemons = new DaemonSwitch(byId('daemons'), choose);
    document.addEventListener('visibilitychange', () => this.drawCharts());
    window.addEventListener('resize', () => this.drawCharts());
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.drawCharts());
  }

  /** Shows this daemon from now on; undefined: the one that serves the page. */
  follow(token: string | undefined, daemon: string | undefined): void {
    this.end.abort();
    this.end = new AbortController();
    const { signal } = this.end;
    const api = new Api(token, daemon);
    this.api = api;
    this.users.hide();
    this.history = new History();
    this.status = undefined;
    this.known = undefined;
    this.log.clear();
    byId('log').hidden = true;
    this.peers.clear();
    const trouble = (error: Error): void => this.showTrouble(error, daemon);
    void follow(
      api,
      {
        status: (status) => this.show(status),
        log: (line) => this.addToLog(line),
        begun: () => this.log.clear(),
        trouble,
      },
      signal,
    );
    void this.followPeers(api, signal);
    void this.followUsers(signal);
    void this.followDaemons(api, daemon, signal);
  }

  find(part: string): void {
    this.peers.filter(part);
    this.countPeers();
  }

  showWarningsOnly(on: boolean): void {
    this.log.showWarningsOnly(on);
  }

  /** An earlier version of the daemon sends none. */
  private addToLog(line: EventStatus): void {
    byId('log').hidden = false;
    this.log.add(line);
  }

  private show(status: RoleStatus): void {
    const isFirst = this.status === undefined;
    this.status = status;
    if (isFirst) void this.askUsers();
    this.history.add(status, Date.now());
    document.title = `${verdictOf(status).headline} - ${status.name}`;
    setText(byId('connection'), '');
    document.body.classList.remove('stale');
    this.state.show(verdictOf(status));
    this.state.showFacts(factsOf(status));
    byId('path').hidden = false;
    byId('charts').hidden = false;
    byId('peers').hidden = status.role === 'server';
    this.picture.show(pathOf(status, this.known));
    this.drawCharts();
  }

  private showTrouble(error: Error, daemon: string | undefined): void {
    const name = this.status?.name ?? daemon;
    this.history.gap(Date.now());
    document.title = 'No answer - Teredo';
    document.body.classList.add('stale');
    setText(byId('connection'), this.status === undefined ? '' : 'All below is from before the last answer');
    const needsToken = error instanceof RefusedError && error.status === 401;
    this.state.show(needsToken ? NO_TOKEN : noAnswer(error.message, name));
  }

  private drawCharts(): void {
    const { status } = this;
    if (status === undefined || document.hidden) return;
    this.charts.show(status.role, this.history, Date.now() / 1_000);
  }

  private async followPeers(api: Api, signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await pause(PEERS_EVERY_MS, signal)) {
      if (document.hidden || this.status === undefined || this.status.role === 'server') continue;
      try {
        const { peers, total } = await api.json<PeersStatus>(`peers?limit=${MOST_PEERS}`, signal);
        this.total = total;
        this.known = knownPeers(peers);
        await this.peers.show(peers, performance.now());
        this.countPeers();
      } catch {
        // the feed tells that there is no answer
      }
    }
  }

  private async followUsers(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await pause(USERS_EVERY_MS, signal)) {
      if (!document.hidden) await this.askUsers();
    }
  }

  /** Only a relay knows its users. */
  private async askUsers(): Promise<void> {
    const { api, end, status, users } = this;
    if (api === undefined || (status?.role !== 'relay' && status?.role !== 'host-relay')) return;
    try {
      const path = `users?window=${users.window}&limit=${MOST_USERS}`;
      const answer = await api.json<UsersStatus>(path, end.signal);
      if (api === this.api) users.show(answer);
    } catch {
      // an earlier version; the feed tells that there is no answer
    }
  }

  private countPeers(): void {
    const { found, all } = this.peers.counts;
    const count = (number: number): string => number.toLocaleString('en');
    const of = this.total > all ? `${count(all)} of ${count(this.total)}` : count(all);
    const words = found === all ? of : `${count(found)} found, of ${of}`;
    setText(byId('peers-count'), all === 0 ? 'No peers' : all === 1 ? '1 peer' : `${words} peers`);
  }

  private async followDaemons(api: Api, daemon: string | undefined, signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await pause(DAEMONS_EVERY_MS, signal)) {
      if (document.hidden) continue;
      try {
        const { daemons } = await api.daemons<ReadyStatus>(signal);
        this.daemons.show(daemons, daemon ?? this.status?.name);
      } catch {
        // the feed tells that there is no answer
      }
    }
  }
}
