import type { JobOut, Me, Permission, TokenPair, UserOut } from '@/client';

const allPermissions: Permission[] = [
  'user:read',
  'user:write',
  'role:read',
  'role:write',
  'export:create',
  'job:read',
  'job:read_all',
  'job:manage',
  'audit:read',
];

export const admin: Me = {
  id: 'u-1',
  email: 'admin@example.com',
  name: 'Admin',
  role: { id: 'r-1', name: 'admin' },
  permissions: allPermissions,
  second_factor: false,
};

export const viewer: Me = {
  ...admin,
  id: 'u-2',
  role: { id: 'r-2', name: 'viewer' },
  permissions: ['user:read', 'job:read'],
};

export function tokens(access: string, expiresIn = 1800): TokenPair {
  return {
    access_token: access,
    refresh_token: 'unused',
    token_type: 'bearer',
    expires_in: expiresIn,
  };
}

export function user(changes: Partial<UserOut> = {}): UserOut {
  return {
    id: 'u-9',
    email: 'grace@example.com',
    name: 'Grace Hopper',
    role: { id: 'r-2', name: 'viewer' },
    is_active: true,
    second_factor: false,
    invited: false,
    created_at: '2026-01-02T03:04:05Z',
    updated_at: '2026-01-02T03:04:05Z',
    ...changes,
  };
}

export function job(changes: Partial<JobOut> = {}): JobOut {
  return {
    id: 'j-1',
    type: 'export',
    params: { type: 'users', format: 'csv', compression: 'gzip' },
    status: 'queued',
    progress: { done: 0, total: null },
    attempts: 0,
    priority: 'normal',
    cancel_requested: false,
    error: null,
    result: null,
    requested_by: admin.id,
    created_at: '2026-01-02T03:04:05Z',
    started_at: null,
    finished_at: null,
    expires_at: null,
    expired: false,
    ...changes,
  };
}
