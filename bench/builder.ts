import { join } from 'node:path';
import type { BaseImage } from '../test/support/base-images.ts';
import { createBuildah } from '../test/support/buildah.ts';
import { runOk } from '../test/support/process.ts';
import { removeTempDir } from '../test/support/temp-dir.ts';
import { createZlayer } from '../test/support/zlayer.ts';

export interface Command {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A build that knows the same registry as others. */
export interface SharedBuild {
  readonly registry: string;
  readonly reference: string;
  /** A repository. */
  readonly cache: string;
  readonly use: 'write' | 'read';
}

/** A builder under measurement. Only the commands that it gives are timed; the rest is preparation. */
export interface Builder {
  readonly name: string;
  loadBases(bases: readonly BaseImage[]): Promise<void>;
  /** Back to a store that holds the bases and nothing else. */
  reset(): Promise<void>;
  /** Back to an empty store. */
  clear(): Promise<void>;
  build(context: string, registry: string): Command;
  push(reference: string): Command;
  /** Builds and pushes, and takes results from a cache in the registry, or leaves them there. */
  share(context: string, shared: SharedBuild): Command;
  /** Gives the built image another name, for a push to it. */
  tag(reference: string): Promise<void>;
}

const IMAGE = 'localhost/bench:latest';

export function createOurs(root: string): Builder {
  const [store, template] = [join(root, 'ours'), join(root, 'ours-template')];
  const zlayer = createZlayer(store);
  const command = (...args: readonly string[]): Command => ({ argv: [...zlayer.argv, ...args], env: zlayer.env });
  return {
    name: 'zlayer',
    loadBases: async (bases) => {
      await removeTempDir(store);
      await removeTempDir(template);
      await runOk(['mkdir', '-p', store]);
      for (const base of bases) {
        await zlayer.loadBase(base);
        // Its layers are unpacked by the first RUN, as buildah unpacks them when it takes an image in.
        await zlayer.run(['build', '-f', '-', root], { input: `FROM ${base.reference}\nRUN true\n` });
      }
      await runOk(['cp', '-a', store, template]);
    },
    reset: async () => {
      await removeTempDir(store);
      // Everything that a store keeps is written once and renamed into place, so that links to it may be shared.
      await runOk(['cp', '-al', template, store]);
    },
    clear: async () => {
      await removeTempDir(store);
    },
    build: (context, registry) =>
      command('build', '--progress', 'plain', '--build-arg', `REGISTRY=${registry}`, '-t', IMAGE, context),
    push: (reference) => command('push', reference),
    share: (context, { registry, reference, cache, use }) => {
      const option = use === 'write' ? `--cache-to=type=registry,ref=${cache},mode=max` : `--cache-from=${cache}`;
      const build = ['build', '--progress', 'plain', '--build-arg', `REGISTRY=${registry}`];
      return command(...build, option, '-t', reference, '--push', context);
    },
    tag: async (reference) => {
      await zlayer.run(['tag', IMAGE, reference]);
    },
  };
}

export function createRival(root: string): Builder {
  const buildah = createBuildah(join(root, 'buildah'));
  const command = (...args: readonly string[]): Command => ({ argv: ['buildah', ...args], env: buildah.env });
  const flags = ['--isolation', 'chroot', '--layers', '--jobs', '4', '--tls-verify=false'];
  let kept: ReadonlySet<string> = new Set();
  const listImages = async (): Promise<readonly string[]> =>
    (await buildah.run(['images', '--all', '--quiet', '--no-trunc'])).stdout.split('\n').filter((id) => id !== '');
  const removeImages = async (except: ReadonlySet<string>): Promise<void> => {
    const ids = (await listImages()).filter((id) => !except.has(id));
    if (ids.length > 0) await buildah.run(['rmi', '--force', ...new Set(ids)]);
  };
  return {
    name: 'buildah',
    loadBases: async (bases) => {
      await removeImages(new Set());
      for (const base of bases) await buildah.loadBase(base);
      kept = new Set(await listImages());
    },
    reset: () => removeImages(kept),
    clear: () => removeImages(new Set()),
    build: (context, registry) =>
      command('build', ...flags, '--build-arg', `REGISTRY=${registry}`, '-t', IMAGE, context),
    push: (reference) => command('push', '--quiet', '--tls-verify=false', reference),
    share: (context, { registry, reference, cache, use }) => {
      const option = use === 'write' ? '--cache-to' : '--cache-from';
      const build = ['build', ...flags, '--build-arg', `REGISTRY=${registry}`, option, cache, '-t', reference, context];
      const push = ['push', '--quiet', '--tls-verify=false', reference];
      return { argv: ['sh', '-c', `buildah ${build.join(' ')} && buildah ${push.join(' ')}`], env: buildah.env };
    },
    tag: async (reference) => {
      await buildah.run(['tag', IMAGE, reference]);
    },
  };
}
