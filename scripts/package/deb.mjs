/** The Debian package: the single executable with units, account, manual pages and completion. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { writeManPages } from '../man.mjs';
import { mustRun, root } from '../run.mjs';
import { Tree } from './files.mjs';
import { licenceText } from './licences.mjs';
import { PROCESSORS, makeSingleExecutable } from './single-executable.mjs';

/** Commands that need the npm package. */
const NOT_IN_IT = ['demo'];
const PROGRAM = 'usr/lib/teredo';
const DOCUMENTS = 'usr/share/doc/teredo';

/** Makes the package for a processor in the folder `work`, and returns its file. `date`: of all files, in seconds since 1970. */
export async function makeDeb({ cpu, version, date, work, isFast }) {
  const tree = new Tree(join(work, 'tree'));
  const { licenceOfNode } = await makeSingleExecutable(cpu, tree.at(PROGRAM), work);
  tree.link('usr/bin/teredo', '../lib/teredo/teredo');
  addService(tree);
  addProfiles(tree);
  addCompletion(tree);
  await addManPages(tree, work, date);
  addDocuments(tree, licenceOfNode, version, date);
  addControl(tree, { version, architecture: PROCESSORS[cpu].debian });
  const file = join(work, `teredo_${version}_${PROCESSORS[cpu].debian}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(date) };
  mustRun('dpkg-deb', ['--root-owner-group', '-Zxz', isFast ? '-z1' : '-z6', '--build', tree.folder, file], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}

function addService(tree) {
  tree.copy('packaging/systemd/teredo@.service', 'lib/systemd/system/teredo@.service');
  tree.copy('packaging/systemd/sysusers.conf', 'usr/lib/sysusers.d/teredo.conf');
  tree.copy('packaging/systemd/tmpfiles.conf', 'usr/lib/tmpfiles.d/teredo.conf');
  tree.directory('etc/teredo');
}

function addProfiles(tree) {
  tree.copy('packaging/apparmor/teredo', 'etc/apparmor.d/teredo');
  tree.copy('packaging/apparmor/teredo-userns', 'usr/share/teredo/apparmor/teredo-userns');
}

function addCompletion(tree) {
  tree.copy('packaging/completion/teredo.bash', 'usr/share/bash-completion/completions/teredo');
  tree.copy('packaging/completion/_teredo', 'usr/share/zsh/vendor-completions/_teredo');
  tree.copy('packaging/completion/teredo.fish', 'usr/share/fish/vendor_completions.d/teredo.fish');
}

async function addManPages(tree, work, date) {
  const folder = join(work, 'man');
  for (const name of await writeManPages(folder, date, NOT_IN_IT))
    tree.writeCompressed(`usr/share/man/man${name.at(-1)}/${name}`, readFileSync(join(folder, name)));
}

function addDocuments(tree, licenceOfNode, version, date) {
  const ofNode = `The licences of Node.js and of its parts are in /${DOCUMENTS}/LICENSE.node.gz.\n`;
  tree.write(`${DOCUMENTS}/copyright`, `${licenceText()}\n${ofNode}`);
  tree.writeCompressed(`${DOCUMENTS}/LICENSE.node`, readFileSync(licenceOfNode));
  tree.writeCompressed(`${DOCUMENTS}/changelog`, debianChangelog(version, date));
  tree.copyCompressed('CHANGELOG.md', `${DOCUMENTS}/CHANGELOG.md`);
  tree.copyCompressed('README.md', `${DOCUMENTS}/README.md`);
  for (const page of readdirSync(join(root, 'docs', 'guide')))
    tree.copyCompressed(`docs/guide/${page}`, `${DOCUMENTS}/guide/${page}`);
  for (const file of readdirSync(join(root, 'packaging', 'bird')))
    tree.copy(`packaging/bird/${file}`, `${DOCUMENTS}/examples/bird/${file}`);
}

function debianChangelog(version, date) {
  const { maintainer } = /^Maintainer: (?<maintainer>.*)$/m.exec(template('control')).groups;
  const when = new Date(date * 1_000).toUTCString().replace('GMT', '+0000');
  return `teredo (${version}) unstable; urgency=medium

  * The changes are in CHANGELOG.md.gz in this folder.

 -- ${maintainer}  ${when}
`;
}

function addControl(tree, { version, architecture }) {
  tree.copy('packaging/debian/lintian-overrides', 'usr/share/lintian/overrides/teredo');
  const files = filesIn(tree.folder);
  const paths = files.map((file) => relative(tree.folder, file));
  const [conffiles, others] = [paths.filter(isConffile), paths.filter((path) => !isConffile(path))];
  const sums = others.map((path) => `${md5(tree.at(path))}  ${path}\n`);
  const kilobytes = files.reduce((sum, file) => sum + Math.ceil(readFileSync(file).length / 1_024), 0);
  const fields = { VERSION: version, ARCHITECTURE: architecture, SIZE: kilobytes };
  tree.write(
    'DEBIAN/control',
    template('control').replaceAll(/@([A-Z]+)@/g, (_, name) => fields[name]),
  );
  tree.write('DEBIAN/md5sums', sums.sort().join(''));
  tree.write('DEBIAN/conffiles', conffiles.map((path) => `/${path}\n`).join(''));
  tree.write('DEBIAN/triggers', template('triggers'));
  for (const script of ['postinst', 'prerm', 'postrm'])
    tree.write(`DEBIAN/${script}`, template(script), 0o755);
}

/** The operator may change them: dpkg asks before it replaces one. */
function isConffile(path) {
  return path.startsWith('etc/');
}

function template(name) {
  return readFileSync(join(root, 'packaging', 'debian', name), 'utf8');
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** In the form of Debian's packages. */
function md5(file) {
  return createHash('md5').update(readFileSync(file)).digest('hex');
}
