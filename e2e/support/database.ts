import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A new database on the server that `tools/with-database` has started, as a setting; none where SQLite is meant. */
export async function newDatabase(): Promise<string[]> {
  const server = process.env['ENTRENOUS_TEST_DATABASE'];
  if (!server) return [];
  const name = `us$er_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const { protocol, hostname, port, username } = new URL(server);
  const run = promisify(execFile);
  if (protocol === 'mysql:') {
    const words = [`--host=${hostname}`, `--port=${port}`, `--user=${username}`, '--protocol=tcp'];
    await run('mariadb', ['--no-defaults', ...words, '--execute', `CREATE DATABASE \`${name}\``]);
  } else {
    const words = [`--host=${hostname}`, `--port=${port}`, `--username=${username}`];
    await run('psql', [...words, '--command', `CREATE DATABASE "${name}"`, 'postgres']);
  }
  return ['--database', `${server}/${name}`];
}
