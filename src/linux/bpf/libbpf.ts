import koffi from 'koffi';
import { SystemCallError } from '../errors.ts';

/**
 * The functions of libbpf used here, from the library that iproute2 depends on. All that return an int report an error by the negative
 * error number (libbpf 1.0 and later). Pointers are numbers; the caller owns their memory.
 */
export interface Libbpf {
  readonly openFile: (path: string, options: number) => number;
  readonly load: (object: number) => number;
  readonly close: (object: number) => void;
  readonly findMap: (object: number, name: string) => number;
  readonly findProgram: (object: number, name: string) => number;
  /** Whether {@link Libbpf.load} loads a program, too. */
  readonly setAutoload: (program: number, isLoaded: boolean) => number;
  readonly setMaxEntries: (map: number, entries: number) => number;
  readonly setInitialValue: (map: number, value: number, size: number) => number;
  readonly mapFd: (map: number) => number;
  readonly programFd: (program: number) => number;
  readonly update: (fd: number, key: number, value: number, flags: number) => number;
  readonly lookup: (fd: number, key: number, value: number) => number;
  readonly lookupAndDelete: (fd: number, key: number, value: number) => number;
  readonly delete: (fd: number, key: number) => number;
  readonly takeBatch: Batch;
  readonly lookupBatch: Batch;
  readonly updateBatch: (fd: number, keys: number, values: number, count: number, options: number) => number;
  readonly loadInstructions: (
    type: number,
    name: string,
    license: string,
    instructions: number,
    count: number,
    options: number,
  ) => number;
  readonly createLink: (program: number, target: number, type: number, options: number) => number;
  readonly updateLink: (link: number, program: number, options: number) => number;
  readonly linkInfo: (link: number, info: number, size: number) => number;
  readonly testRun: (program: number, options: number) => number;
  readonly createHook: (hook: number) => number;
  readonly destroyHook: (hook: number) => number;
  readonly attach: (hook: number, options: number) => number;
  readonly detach: (hook: number, options: number) => number;
  readonly query: (hook: number, options: number) => number;
}

type Batch = (
  fd: number,
  from: number,
  to: number,
  keys: number,
  values: number,
  count: number,
  options: number,
) => number;

/** Throws an Error with an explanation if the library is missing. */
export function libbpf(): Libbpf {
  loaded ??= bind();
  return loaded;
}

/** Throws a SystemCallError if the result is negative; otherwise returns it. */
export function check(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, -result);
  return result;
}

let loaded: Libbpf | undefined;

function bind(): Libbpf {
  let library;
  try {
    library = koffi.load('libbpf.so.1');
  } catch (error) {
    throw new Error('libbpf.so.1 is missing (Debian: apt-get install libbpf1)', { cause: error });
  }
  // Without this libbpf writes to standard error.
  library.func('uintptr_t libbpf_set_print(uintptr_t)')(0);
  return {
    openFile: library.func('uintptr_t bpf_object__open_file(const char*, uintptr_t)'),
    load: library.func('int bpf_object__load(uintptr_t)'),
    close: library.func('void bpf_object__close(uintptr_t)'),
    findMap: library.func('uintptr_t bpf_object__find_map_by_name(uintptr_t, const char*)'),
    findProgram: library.func('uintptr_t bpf_object__find_program_by_name(uintptr_t, const char*)'),
    setAutoload: library.func('int bpf_program__set_autoload(uintptr_t, bool)'),
    setMaxEntries: library.func('int bpf_map__set_max_entries(uintptr_t, uint32_t)'),
    setInitialValue: library.func('int bpf_map__set_initial_value(uintptr_t, uintptr_t, size_t)'),
    mapFd: library.func('int bpf_map__fd(uintptr_t)'),
    programFd: library.func('int bpf_program__fd(uintptr_t)'),
    update: library.func('int bpf_map_update_elem(int, uintptr_t, uintptr_t, uint64_t)'),
    lookup: library.func('int bpf_map_lookup_elem(int, uintptr_t, uintptr_t)'),
    lookupAndDelete: library.func('int bpf_map_lookup_and_delete_elem(int, uintptr_t, uintptr_t)'),
    delete: library.func('int bpf_map_delete_elem(int, uintptr_t)'),
    takeBatch: library.func(
      'int bpf_map_lookup_and_delete_batch(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)',
    ),
    lookupBatch: library.func(
      'int bpf_map_lookup_batch(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)',
    ),
    loadInstructions: library.func(
      'int bpf_prog_load(int, const char*, const char*, uintptr_t, size_t, uintptr_t)',
    ),
    updateBatch: library.func('int bpf_map_update_batch(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)'),
    createLink: library.func('int bpf_link_create(int, int, int, uintptr_t)'),
    updateLink: library.func('int bpf_link_update(int, int, uintptr_t)'),
    linkInfo: library.func('int bpf_obj_get_info_by_fd(int, uintptr_t, uintptr_t)'),
    testRun: library.func('int bpf_prog_test_run_opts(int, uintptr_t)'),
    createHook: library.func('int bpf_tc_hook_create(uintptr_t)'),
    destroyHook: library.func('int bpf_tc_hook_destroy(uintptr_t)'),
    attach: library.func('int bpf_tc_attach(uintptr_t, uintptr_t)'),
    detach: library.func('int bpf_tc_detach(uintptr_t, uintptr_t)'),
    query: library.func('int bpf_tc_query(uintptr_t, uintptr_t)'),
  };
}
