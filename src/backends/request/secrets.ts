import { readFile } from 'node:fs/promises';
import { BuildError } from '../../core/index.ts';
import type { SecretProvider } from '../../engine/index.ts';
import type { SecretInput } from '../types.ts';

/** Reads secrets by id, each when a step asks for it. @throws BuildError `SECRET_MISSING` when its file or variable is not there. */
export function createSecretProvider(secrets: Readonly<Record<string, SecretInput>>): SecretProvider {
  return async (id) => {
    const input = secrets[id];
    return input === undefined ? undefined : readSecret(id, input);
  };
}

async function readSecret(id: string, input: SecretInput): Promise<Uint8Array> {
  switch (input.kind) {
    case 'value':
      return toBytes(input.value);
    case 'provider':
      return toBytes(await input.provide());
    case 'env': {
      const value = process.env[input.name];
      if (value === undefined) {
        throw new BuildError(
          'SECRET_MISSING',
          `The secret "${id}" comes from the variable ${input.name}, which is not set.`,
        );
      }
      return toBytes(value);
    }
    case 'file':
      return readFile(input.path).catch((error: Error) => {
        throw new BuildError('SECRET_MISSING', `The secret "${id}" cannot be read: ${error.message}`, { cause: error });
      });
  }
}

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
