# The first apply: every resource, those with options both bare and with all of them.

resource "aws_ses_domain_identity" "shop" {
  domain = "shop.example.com"
}

resource "aws_ses_domain_dkim" "shop" {
  domain = aws_ses_domain_identity.shop.domain
}

resource "aws_ses_domain_mail_from" "shop" {
  domain           = aws_ses_domain_identity.shop.domain
  mail_from_domain = "bounce.${aws_ses_domain_identity.shop.domain}"
}

resource "aws_ses_email_identity" "ann" {
  email = "ann@example.org"
}

resource "aws_ses_identity_notification_topic" "shop" {
  for_each = toset(["Bounce", "Complaint", "Delivery"])

  identity                 = aws_ses_domain_identity.shop.arn
  topic_arn                = "${local.topics}:mail"
  notification_type        = each.key
  include_original_headers = true
}

resource "aws_ses_identity_policy" "shop" {
  identity = aws_ses_domain_identity.shop.arn
  name     = "others"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "444455556666" }
      Action    = ["SES:SendEmail", "SES:SendRawEmail"]
      Resource  = aws_ses_domain_identity.shop.arn
    }]
  })
}

resource "aws_ses_configuration_set" "full" {
  name                       = "v1-full"
  reputation_metrics_enabled = true
  sending_enabled            = false
  delivery_options {
    tls_policy = "Require"
  }
}

resource "aws_ses_configuration_set" "bare" {
  name = "v1-bare"
}

resource "aws_sesv2_configuration_set" "full" {
  configuration_set_name = "v2-full"
  delivery_options {
    max_delivery_seconds = 300
    sending_pool_name    = "ses-shared-pool"
    tls_policy           = "REQUIRE"
  }
  reputation_options {
    reputation_metrics_enabled = false
  }
  sending_options {
    sending_enabled = false
  }
  suppression_options {
    suppressed_reasons = ["BOUNCE"]
  }
  vdm_options {
    dashboard_options {
      engagement_metrics = "ENABLED"
    }
    guardian_options {
      optimized_shared_delivery = "ENABLED"
    }
  }
  tags = { team = "news", stage = "own" }
}

resource "aws_sesv2_configuration_set" "bare" {
  configuration_set_name = "v2-bare"
}

resource "aws_sesv2_configuration_set" "quiet" {
  configuration_set_name = "v2-quiet"
  suppression_options {
    suppressed_reasons = []
  }
}

resource "aws_sesv2_email_identity" "easy" {
  email_identity         = "easy.example.com"
  configuration_set_name = aws_sesv2_configuration_set.full.configuration_set_name
  tags                   = { team = "news", stage = "own" }
}

resource "aws_sesv2_email_identity" "own_key" {
  email_identity = "own-key.example.com"
  dkim_signing_attributes {
    domain_signing_private_key = var.private_key
    domain_signing_selector    = "own"
  }
}

resource "aws_sesv2_email_identity" "short" {
  email_identity = "short.example.com"
  dkim_signing_attributes {
    next_signing_key_length = "RSA_1024_BIT"
  }
}

resource "aws_sesv2_email_identity" "bob" {
  email_identity = "bob@example.net"
}

resource "aws_sesv2_email_identity_feedback_attributes" "easy" {
  email_identity           = aws_sesv2_email_identity.easy.email_identity
  email_forwarding_enabled = false
}

resource "aws_sesv2_email_identity_mail_from_attributes" "easy" {
  email_identity         = aws_sesv2_email_identity.easy.email_identity
  behavior_on_mx_failure = "REJECT_MESSAGE"
  mail_from_domain       = "bounce.${aws_sesv2_email_identity.easy.email_identity}"
}

resource "aws_sesv2_email_identity_policy" "easy" {
  email_identity = aws_sesv2_email_identity.easy.email_identity
  policy_name    = "others"
  policy = jsonencode({
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::444455556666:root" }
      Action    = "ses:SendEmail"
      Resource  = aws_sesv2_email_identity.easy.arn
    }]
  })
}
