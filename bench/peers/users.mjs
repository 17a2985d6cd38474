// The query and the answer that both peers share.
import pg from 'pg'

const pool = new pg.Pool({ max: 8 })

const text = `
SELECT u.id, u.username, u.email, u.role, u.is_active,
       coalesce(u.rate_limit_per_second, r.rate_limit_per_second) AS rate_limit_per_second,
       coalesce(u.rate_limit_burst, r.rate_limit_burst) AS rate_limit_burst, u.create_time
FROM auth.users u JOIN auth.roles r ON r.role = u.role WHERE u.id = $1`

export async function findUser (id) {
  const { rows } = await pool.query({ name: 'find_user', text, values: [id] })
  const r = rows[0]
  return {
    id: r.id, username: r.username, email: r.email, is_admin: r.role === 'admin',
    is_active: r.is_active, rate_limit_per_second: r.rate_limit_per_second,
    rate_limit_burst: r.rate_limit_burst, created_at: r.create_time.toISOString()
  }
}

export function answer (u) {
  return {
    id: u.id, username: u.username, email: u.email, is_admin: u.is_admin, is_active: u.is_active,
    rate_limit_per_second: u.rate_limit_per_second, rate_limit_burst: u.rate_limit_burst,
    created_at: u.created_at
  }
}
