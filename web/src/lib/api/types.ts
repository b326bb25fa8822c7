/** What travels, in the words of the API. */
export interface Person {
  id: string;
  handle: string;
  display_name: string;
  status: string;
  bio: string;
  /** Id of the picture (GET /api/avatars/{avatar}), null where there is none. */
  avatar: string | null;
}

export interface Me extends Person {
  role: 'person' | 'administrator';
  created_at: number;
}

export interface Config {
  name: string;
  accent: string | null;
  version: string;
  setup_code_needed: boolean;
  limits: { message_bytes: number; avatar_bytes: number };
}
