import { describe, expect, it } from 'vitest';
import { BuildService } from './index.ts';

/** Every field below 100 of the first protocol's messages: number, name and type never change. */
const MESSAGES: Readonly<Record<string, string>> = {
  BuildRequest:
    'request_id:string context_dir:string dockerfile_paths:string* tags:string* platforms:string* build_args:map secrets:string* ssh:string* target_stage:string host_network:bool cache_from:string cache_to:string no_cache:bool squash:bool layers:bool format:string pull_policy:string labels:string* annotations:string* add_hosts:string* envs:string* shm_size:string ulimits:string* volumes:string* source_date_epoch:int64 rewrite_timestamp:bool isolation:string',
  BuildEvent:
    'stage_started:message stage_finished:message instruction_started:message instruction_finished:message log:message warning:message finished:message error:message',
  StageStarted: 'index:uint32 name:string base_image:string',
  StageFinished: 'index:uint32',
  InstructionStarted: 'stage:uint32 index:uint32 instruction:string',
  InstructionFinished: 'stage:uint32 index:uint32 cached:bool',
  Log: 'line:string is_stderr:bool',
  Warning: 'message:string',
  Finished: 'image_id:string manifest_ref:string',
  Error: 'message:string kind:string',
  CancelRequest: 'request_id:string',
  CancelResponse: 'cancelled:bool',
  InspectRequest: '',
  InspectResponse:
    'sidecar_version:string buildah_version:string supported_platforms:string* storage_driver:string storage_root:string',
  HealthRequest: '',
  HealthResponse: 'status:enum detail:string',
  PushRequest: 'image:string destination:string format:string remove_signatures:bool auth:message',
  PushAuth: 'username:string password:string identity_token:string registry_token:string',
  PushResponse: 'pushed_digest:string',
  TagRequest: 'image:string new_tag:string',
  TagResponse: '',
  ManifestCreateRequest: 'name:string',
  ManifestCreateResponse: 'list_id:string',
  ManifestAddRequest: 'manifest:string image:string',
  ManifestAddResponse: 'image_digest:string',
  ManifestPushRequest: 'name:string destination:string all:bool auth:message',
  ManifestPushResponse: 'pushed_digest:string',
};

const SCALARS: Readonly<Record<number, string>> = { 3: 'int64', 8: 'bool', 9: 'string', 13: 'uint32' };

type Message = (typeof BuildService.file.messages)[number];

function fieldsOf(message: Message): string {
  const fields = message.fields.filter(({ number }) => number < 100).sort((a, b) => a.number - b.number);
  return fields
    .map((field, index) => {
      expect(field.number, `${message.name}.${field.name}`).toBe(index + 1);
      if (field.fieldKind === 'map') return `${field.name}:map`;
      if (field.fieldKind === 'list') return `${field.name}:${SCALARS[field.scalar ?? 0]}*`;
      return `${field.name}:${field.fieldKind === 'scalar' ? SCALARS[field.scalar] : field.fieldKind}`;
    })
    .join(' ');
}

describe('zlayer.buildah_sidecar.v1', () => {
  it.each(Object.keys(MESSAGES))('keeps the fields of %s', (name) => {
    const message = BuildService.file.messages.find((found) => found.name === name);
    expect(message === undefined ? undefined : fieldsOf(message)).toBe(MESSAGES[name]);
  });

  it('keeps the methods, and adds others behind them', () => {
    expect(BuildService.typeName).toBe('zlayer.buildah_sidecar.v1.BuildService');
    expect(BuildService.methods.slice(0, 9).map(({ name, methodKind }) => `${name} ${methodKind}`)).toEqual([
      'Build server_streaming',
      'Cancel unary',
      'Inspect unary',
      'Health unary',
      'Push unary',
      'Tag unary',
      'ManifestCreate unary',
      'ManifestAdd unary',
      'ManifestPush unary',
    ]);
  });
});
