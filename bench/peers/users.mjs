// The query and the answer that both peers share.
import pg from 'pg'

const pool = new pg.Pool({ max: 8 })

const text = `
SELECT u.number, u.username, u.email, u.first_name, u.last_name, u.role, u.is_active, t.id AS tenant,
       t.name AS tenant_name, u.create_time, u.update_time
FROM auth.users u JOIN auth.tenants t ON t.id = u.tenant_id WHERE u.username = $1`

export async function findUser (username) {
  const { rows } = await pool.query({ name: 'find_user', text, values: [username] })
  const r = rows[0]
  return {
    id: r.number, username: r.username, email: r.email, first_name: r.first_name,
    last_name: r.last_name, is_staff: r.role === 'admin', is_active: r.is_active, tenant: r.tenant,
    tenant_name: r.tenant_name, created_at: r.create_time.toISOString(),
    updated_at: r.update_time.toISOString()
  }
}

export function answer (u) {
  return {
    id: Number(u.id), username: u.username, email: u.email, first_name: u.first_name,
    last_name: u.last_name, is_staff: u.is_staff, is_active: u.is_active,
    profile: {
      id: Number(u.id), username: u.username, email: u.email, tenant: Number(u.tenant),
      tenant_name: u.tenant_name, stripe_customer_id: null, settings: {},
      created_at: u.created_at, updated_at: u.updated_at
    }
  }
}
