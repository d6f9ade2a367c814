import type { OptionTable } from './option-table.ts';

/** Options that several commands share. */
export const DATA_DIR_OPTION = {
  'data-dir': {
    kind: 'text',
    placeholder: 'DIR',
    help: 'Where the image store is',
    defaultText: '$ZLAYER_DATA_DIR, else /var/lib/zlayer for root, else the XDG data directory',
    complete: 'directory',
  },
} as const satisfies OptionTable;

export const BACKEND_OPTION = {
  backend: {
    kind: 'text',
    placeholder: 'KIND',
    help: 'Who builds, and keeps the images: native, buildah-cli, buildah-sidecar, sandbox or hcs',
    defaultText: '$ZLAYER_BACKEND, else what suits this host; see `zlayer backends`',
  },
} as const satisfies OptionTable;

export const PROGRESS_OPTION = {
  progress: {
    kind: 'text',
    placeholder: 'MODE',
    help: 'How progress is shown on standard error',
    choices: ['auto', 'tty', 'plain', 'rawjson', 'quiet'],
    defaultText: '$BUILDKIT_PROGRESS, else auto',
  },
} as const satisfies OptionTable;

export const FORMAT_OPTION = {
  format: {
    kind: 'text',
    placeholder: 'FORMAT',
    help: 'How the result is printed',
    choices: ['table', 'json'],
    defaultText: 'table',
  },
} as const satisfies OptionTable;
